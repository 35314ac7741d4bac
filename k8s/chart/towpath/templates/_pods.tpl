{{/* What all pods share: Pod Security "restricted", and where they run. */}}
{{- define "towpath.pod" -}}
automountServiceAccountToken: {{ .mountsToken | default false }}
# Variables such as TOWPATH_PORT, which Kubernetes makes of Services, would be read as settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "towpath.podMetadata" -}}
labels:
  {{- include "towpath.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "towpath.spread" -}}
{{- $spread := .root.Values.topologySpread }}
{{- if or $spread.nodes $spread.zones }}
topologySpreadConstraints:
  {{- range $key, $rule := dict "kubernetes.io/hostname" $spread.nodes "topology.kubernetes.io/zone" $spread.zones }}
  {{- if $rule }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $rule }}
    labelSelector:
      matchLabels:
        {{- include "towpath.selector" $ | nindent 8 }}
    # The pods of a new version are spread by themselves.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "towpath.securityContext" -}}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Variables of all containers of the service. */}}
{{- define "towpath.serviceEnv" -}}
- name: TOWPATH_HOME
  value: /var/lib/towpath
- name: TOWPATH_SERVER_DATABASE
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.database.existingSecret }}
      key: {{ .root.Values.database.urlKey }}
- name: TOWPATH_SERVER_KEY_FILE
  value: /etc/towpath/keys/{{ .root.Values.keys.file }}
{{- include "towpath.otelEnv" . }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "towpath.otelEnv" -}}
{{- if .root.Values.otel.endpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .root.Values.otel.endpoint | quote }}
{{- with .root.Values.otel.protocol }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ . | quote }}
{{- end }}
- name: OTEL_SERVICE_NAME
  value: {{ printf "%s-%s" (include "towpath.fullname" .root) .component | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: "k8s.namespace.name={{ .root.Release.Namespace }},k8s.pod.name=$(POD_NAME),service.instance.id=$(POD_NAME)"
{{- end }}
{{- end }}

{{- define "towpath.serviceMounts" -}}
volumeMounts:
  - name: home
    mountPath: /var/lib/towpath
  - name: tmp
    mountPath: /tmp
  - name: keys
    mountPath: /etc/towpath/keys
    readOnly: true
  {{- if and .tls .root.Values.tls.existingSecret }}
  - name: tls
    mountPath: /etc/towpath/tls
    readOnly: true
  {{- end }}
{{- end }}

{{- define "towpath.scratchVolumes" -}}
- name: home
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- end }}

{{- define "towpath.serviceVolumes" -}}
volumes:
  {{- include "towpath.scratchVolumes" . | nindent 2 }}
  - name: keys
    secret:
      secretName: {{ .root.Values.keys.existingSecret }}
      # Root owns the files, and the group of the pod may read them.
      defaultMode: 0440
  {{- if and .tls .root.Values.tls.existingSecret }}
  - name: tls
    secret:
      secretName: {{ .root.Values.tls.existingSecret }}
      defaultMode: 0440
  {{- end }}
{{- end }}

{{/* The arguments of `towpath server start`; .role is api or background. */}}
{{- define "towpath.serverArgs" -}}
args:
  - server
  - start
  - --role={{ .role }}
  - --host=0.0.0.0
  - --port=4200
  - --web-port=4201
  - --log-format={{ .root.Values.logFormat }}
  - --drain-wait={{ .root.Values.drain.waitSeconds }}
  - --keep-logs={{ .root.Values.retention.logs }}
  - --keep-transitions={{ .root.Values.retention.transitions }}
  - --keep-runs={{ .root.Values.retention.runs }}
  {{- if .root.Values.tls.existingSecret }}
  - --tls-cert=/etc/towpath/tls/tls.crt
  - --tls-key=/etc/towpath/tls/tls.key
  {{- end }}
  {{- if .root.Values.tls.behindProxy }}
  - --behind-tls-proxy
  {{- end }}
  {{- if not .root.Values.identity.enabled }}
  - --insecure
  {{- end }}
  {{- if .root.Values.cloud }}
  - --cloud
  {{- end }}
  {{- if .root.Values.metrics.enabled }}
  - --metrics
  {{- end }}
  {{- with .root.Values.publicUrl }}
  - --public-url={{ . }}
  {{- end }}
  {{- if and (eq .role "api") (not .root.Values.api.ui) }}
  - --no-ui
  {{- end }}
{{- end }}

{{/* Liveness asks the process alone; readiness ends when the pod drains. */}}
{{- define "towpath.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: web, scheme: {{ include "towpath.scheme" .root }} }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: web, scheme: {{ include "towpath.scheme" .root }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /healthz, port: web, scheme: {{ include "towpath.scheme" .root }} }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* A Deployment of the service in one role. */}}
{{- define "towpath.deployment" -}}
{{- $values := index .root.Values .role }}
{{- $_ := set . "component" .role }}
{{- $_ := set . "tls" true }}
{{- $_ := set . "name" (printf "%s-%s" (include "towpath.fullname" .root) .role) }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "towpath.metadata" . | nindent 2 }}
spec:
  {{- if not .autoscaled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "towpath.selector" . | nindent 6 }}
  template:
    metadata:
      {{- include "towpath.podMetadata" . | nindent 6 }}
    spec:
      serviceAccountName: {{ include "towpath.serviceAccountName" .root }}
      terminationGracePeriodSeconds: {{ .root.Values.drain.terminationGracePeriodSeconds }}
      {{- include "towpath.pod" . | nindent 6 }}
      {{- with include "towpath.spread" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .role }}
          image: {{ include "towpath.image" . | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          {{- include "towpath.serverArgs" . | nindent 10 }}
          env:
            {{- include "towpath.serviceEnv" . | nindent 12 }}
          ports:
            {{- if eq .role "api" }}
            - { name: grpc, containerPort: 4200, protocol: TCP }
            {{- end }}
            - { name: web, containerPort: 4201, protocol: TCP }
          {{- include "towpath.probes" . | nindent 10 }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          {{- include "towpath.securityContext" . | nindent 10 }}
          {{- include "towpath.serviceMounts" . | nindent 10 }}
      {{- include "towpath.serviceVolumes" . | nindent 6 }}
{{- end }}
