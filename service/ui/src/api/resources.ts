/** The clients that only some pages need; they load with those. */
import { createClient } from "@connectrpc/connect";
import { AccessService } from "../gen/towpath/api/v1/access_service_pb";
import { ArtifactService } from "../gen/towpath/api/v1/artifact_service_pb";
import { BackfillService } from "../gen/towpath/api/v1/backfill_service_pb";
import { DeploymentService } from "../gen/towpath/api/v1/deployment_service_pb";
import { LimitService } from "../gen/towpath/api/v1/limit_service_pb";
import { SecretService } from "../gen/towpath/api/v1/secret_service_pb";
import { VariableService } from "../gen/towpath/api/v1/variable_service_pb";
import { WorkService } from "../gen/towpath/api/v1/work_service_pb";
import { transport } from "./clients";

export const access = createClient(AccessService, transport);
export const deployments = createClient(DeploymentService, transport);
export const artifacts = createClient(ArtifactService, transport);
export const backfills = createClient(BackfillService, transport);
export const limits = createClient(LimitService, transport);
export const variables = createClient(VariableService, transport);
export const secrets = createClient(SecretService, transport);
export const work = createClient(WorkService, transport);
