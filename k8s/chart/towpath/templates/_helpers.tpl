{{/* Names and labels. */}}
{{- define "towpath.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "towpath.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "towpath.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "towpath.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "towpath.selector" -}}
app.kubernetes.io/name: {{ include "towpath.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "towpath.labels" -}}
{{ include "towpath.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: towpath
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "towpath.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "towpath.labels" . | nindent 2 }}
{{- end }}

{{- define "towpath.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "towpath.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "towpath.runsNamespace" -}}
{{- default .Release.Namespace .Values.worker.runs.namespace }}
{{- end }}

{{/* An image, by its digest or its tag; the parts that .image leaves empty are the chart's. */}}
{{- define "towpath.image" -}}
{{- $all := .root.Values.image }}
{{- $own := .image | default dict }}
{{- $repository := $own.repository | default $all.repository }}
{{- $tag := $own.tag }}
{{- $digest := $own.digest }}
{{- if not (or $tag $digest $own.repository) }}
{{- $tag = $all.tag }}
{{- $digest = $all.digest }}
{{- end }}
{{- if $digest }}
{{- printf "%s@%s" $repository $digest }}
{{- else }}
{{- printf "%s:%s" $repository ($tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "towpath.scheme" -}}
{{- ternary "HTTPS" "HTTP" (ne .Values.tls.existingSecret "") }}
{{- end }}

{{/* Refuses values that are right one by one and wrong together. */}}
{{- define "towpath.check" -}}
{{- $tls := .Values.tls }}
{{- if and $tls.existingSecret $tls.behindProxy }}
{{- fail "tls.existingSecret and tls.behindProxy exclude each other: give one" }}
{{- end }}
{{- if and (or .Values.identity.enabled .Values.cloud) (not (or $tls.existingSecret $tls.behindProxy)) }}
{{- fail "keys of callers need TLS: give tls.existingSecret, a Secret of the type kubernetes.io/tls, or set tls.behindProxy to true if a proxy or gateway terminates TLS" }}
{{- end }}
{{- if and .Values.cloud (not .Values.identity.enabled) }}
{{- fail "cloud needs identity.enabled" }}
{{- end }}
{{- $drain := .Values.drain }}
{{- if lt ($drain.terminationGracePeriodSeconds | int) (add ($drain.waitSeconds | int) 20 | int) }}
{{- fail "drain.terminationGracePeriodSeconds must be above drain.waitSeconds by 20 at least" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "serviceMonitor.enabled needs metrics.enabled" }}
{{- end }}
{{- $scaling := .Values.api.autoscaling }}
{{- if and $scaling.enabled (gt ($scaling.minReplicas | int) ($scaling.maxReplicas | int)) }}
{{- fail "api.autoscaling.minReplicas is above api.autoscaling.maxReplicas" }}
{{- end }}
{{- $worker := .Values.worker }}
{{- if $worker.enabled }}
{{- if lt ($worker.terminationGracePeriodSeconds | int) (add ($worker.graceSeconds | int) 30 | int) }}
{{- fail "worker.terminationGracePeriodSeconds must be above worker.graceSeconds by 30 at least" }}
{{- end }}
{{- if and (eq $worker.type "kubernetes") (gt ($worker.replicas | int) 1) }}
{{- fail "worker.replicas must be 1 for the type kubernetes: a worker's name is its own, and Jobs outlive it" }}
{{- end }}
{{- if and .Values.identity.enabled (not $worker.apiKey.existingSecret) }}
{{- fail "worker.apiKey.existingSecret must name a Secret with the key of a service account that has the role worker" }}
{{- end }}
{{- if and $tls.behindProxy (not $worker.serverAddress) }}
{{- fail "worker.serverAddress must name the gRPC address of the proxy that terminates TLS: a worker sends no key in plain text" }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.enabled needs ingress.host" }}
{{- end }}
{{- if and .Values.ingress.grpc.enabled (not .Values.ingress.grpc.host) }}
{{- fail "ingress.grpc.enabled needs ingress.grpc.host" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
{{- fail "gateway.enabled needs gateway.parentRefs" }}
{{- end }}
{{- if and .Values.gateway.grpc.enabled (not .Values.gateway.grpc.parentRefs) }}
{{- fail "gateway.grpc.enabled needs gateway.grpc.parentRefs" }}
{{- end }}
{{- end }}
