CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0015');
CREATE TABLE api_key (
	tenant_id VARCHAR(36) NOT NULL,
	key_id VARCHAR(16) NOT NULL,
	principal_id VARCHAR(36) NOT NULL,
	display_name TEXT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	pepper_version INTEGER NOT NULL,
	scopes TEXT,
	workspaces TEXT,
	created_by TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	expires_us BIGINT,
	used_us BIGINT,
	revoked_us BIGINT,
	replaced_by VARCHAR(16), kind SMALLINT DEFAULT '1' NOT NULL, trust_id VARCHAR(63), used_tokens TEXT,
	CONSTRAINT pk_api_key PRIMARY KEY (tenant_id, key_id)
);
CREATE TABLE artifact (
	tenant_id VARCHAR(36) NOT NULL,
	artifact_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	root_run_id VARCHAR(36) NOT NULL,
	"key" VARCHAR(255) NOT NULL,
	version BIGINT NOT NULL,
	kind SMALLINT NOT NULL,
	display_name TEXT NOT NULL,
	description TEXT NOT NULL,
	content TEXT NOT NULL,
	size_bytes BIGINT NOT NULL,
	occurred_us BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_artifact PRIMARY KEY (tenant_id, artifact_id)
);
CREATE TABLE audit_entry (
	tenant_id VARCHAR(36) NOT NULL,
	sequence BIGINT NOT NULL,
	recorded_us BIGINT NOT NULL,
	actor TEXT NOT NULL,
	credential_id TEXT NOT NULL,
	action TEXT NOT NULL,
	method TEXT NOT NULL,
	resource TEXT NOT NULL,
	outcome TEXT NOT NULL,
	reason TEXT NOT NULL,
	address TEXT NOT NULL,
	trace_id TEXT NOT NULL,
	request TEXT NOT NULL,
	hash VARCHAR(64) NOT NULL,
	CONSTRAINT pk_audit_entry PRIMARY KEY (tenant_id, sequence)
);
CREATE TABLE audit_head (
	tenant_id VARCHAR(36) NOT NULL,
	sequence BIGINT NOT NULL,
	hash VARCHAR(64) NOT NULL,
	seal VARCHAR(64) NOT NULL,
	CONSTRAINT pk_audit_head PRIMARY KEY (tenant_id)
);
CREATE TABLE backfill (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	backfill_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	schedule_id VARCHAR(63) NOT NULL,
	start_us BIGINT NOT NULL,
	end_us BIGINT NOT NULL,
	max_active INTEGER NOT NULL,
	parameters TEXT,
	total BIGINT NOT NULL,
	created BIGINT NOT NULL,
	next_us BIGINT NOT NULL,
	state SMALLINT NOT NULL,
	creator TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	ended_us BIGINT,
	CONSTRAINT pk_backfill PRIMARY KEY (tenant_id, workspace_id, backfill_id)
);
CREATE TABLE concurrency_limit (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	limit_id VARCHAR(100) NOT NULL,
	slots INTEGER NOT NULL,
	refill_nano BIGINT NOT NULL,
	disabled BOOLEAN NOT NULL,
	description TEXT NOT NULL,
	template VARCHAR(100) NOT NULL,
	fence BIGINT NOT NULL,
	tat_us BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_concurrency_limit PRIMARY KEY (tenant_id, workspace_id, limit_id)
);
CREATE TABLE credential_tenant (
	credential_id VARCHAR(64) NOT NULL,
	tenant_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_credential_tenant PRIMARY KEY (credential_id)
);
CREATE TABLE data_key (
	tenant_id VARCHAR(36) NOT NULL,
	key_id VARCHAR(32) NOT NULL,
	sealed TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	retired_us BIGINT,
	records BIGINT NOT NULL,
	CONSTRAINT pk_data_key PRIMARY KEY (tenant_id, key_id)
);
CREATE TABLE deleted_run (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	position BIGINT NOT NULL,
	deleted_us BIGINT NOT NULL,
	CONSTRAINT pk_deleted_run PRIMARY KEY (tenant_id, workspace_id, run_id)
);
CREATE TABLE deployment (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	pool_id VARCHAR(63) NOT NULL,
	queue_id VARCHAR(63) NOT NULL,
	paused BOOLEAN NOT NULL,
	concurrency_limit INTEGER NOT NULL,
	collision_strategy SMALLINT NOT NULL,
	revision BIGINT NOT NULL,
	owner TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_deployment PRIMARY KEY (tenant_id, workspace_id, flow_id, deployment_id)
);
CREATE TABLE deployment_revision (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	revision BIGINT NOT NULL,
	content TEXT NOT NULL,
	actor TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_deployment_revision PRIMARY KEY (tenant_id, workspace_id, flow_id, deployment_id, revision)
);
CREATE TABLE flow (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	display_name TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_flow PRIMARY KEY (tenant_id, workspace_id, flow_id)
);
CREATE TABLE limit_hold (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	acquisition_id VARCHAR(36) NOT NULL,
	limit_id VARCHAR(100) NOT NULL,
	slots INTEGER NOT NULL,
	waiting BOOLEAN NOT NULL,
	parts SMALLINT NOT NULL,
	priority SMALLINT NOT NULL,
	rank_us BIGINT NOT NULL,
	asked_us BIGINT NOT NULL,
	since_us BIGINT NOT NULL,
	expires_us BIGINT NOT NULL,
	hold_us BIGINT NOT NULL,
	fence BIGINT NOT NULL,
	run_id VARCHAR(36),
	holder TEXT NOT NULL,
	CONSTRAINT pk_limit_hold PRIMARY KEY (tenant_id, workspace_id, acquisition_id, limit_id)
);
CREATE TABLE log_line (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	producer_id VARCHAR(36) NOT NULL,
	sequence BIGINT NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	position BIGINT NOT NULL,
	attempt INTEGER NOT NULL,
	occurred_us BIGINT NOT NULL,
	severity SMALLINT NOT NULL,
	logger TEXT NOT NULL,
	body TEXT NOT NULL,
	attributes TEXT,
	failure TEXT,
	trace_id VARCHAR(32) NOT NULL,
	span_id VARCHAR(16) NOT NULL,
	CONSTRAINT pk_log_line PRIMARY KEY (tenant_id, workspace_id, producer_id, sequence)
);
CREATE TABLE principal (
	tenant_id VARCHAR(36) NOT NULL,
	principal_id VARCHAR(36) NOT NULL,
	kind SMALLINT NOT NULL,
	handle VARCHAR(254) NOT NULL,
	display_name TEXT NOT NULL,
	epoch INTEGER NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_principal PRIMARY KEY (tenant_id, principal_id),
	CONSTRAINT uq_principal_tenant_id_kind_handle UNIQUE (tenant_id, kind, handle)
);
CREATE TABLE producer (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	producer_id VARCHAR(36) NOT NULL,
	committed_sequence BIGINT NOT NULL,
	epoch BIGINT NOT NULL,
	log_sequence BIGINT NOT NULL,
	logs_dropped BIGINT NOT NULL,
	info TEXT NOT NULL,
	committed_us BIGINT,
	seen_us BIGINT NOT NULL,
	CONSTRAINT pk_producer PRIMARY KEY (tenant_id, workspace_id, producer_id)
);
CREATE TABLE queued (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	pool_id VARCHAR(63) NOT NULL,
	queue_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	schedule_id VARCHAR(63) NOT NULL,
	priority INTEGER NOT NULL,
	due_us BIGINT NOT NULL,
	deadline_us BIGINT,
	parked_by VARCHAR(300),
	CONSTRAINT pk_queued PRIMARY KEY (tenant_id, run_id)
);
CREATE TABLE refusal (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	producer_id VARCHAR(36) NOT NULL,
	sequence BIGINT NOT NULL,
	run_id VARCHAR(255) NOT NULL,
	reason TEXT NOT NULL,
	rule VARCHAR(63) NOT NULL,
	message TEXT NOT NULL,
	metadata TEXT NOT NULL,
	current_state SMALLINT NOT NULL,
	requested_state SMALLINT NOT NULL,
	attempt INTEGER NOT NULL,
	occurred_us BIGINT NOT NULL,
	recorded_us BIGINT NOT NULL,
	confirmed BOOLEAN NOT NULL,
	CONSTRAINT pk_refusal PRIMARY KEY (tenant_id, workspace_id, producer_id, sequence)
);
CREATE TABLE role (
	tenant_id VARCHAR(36) NOT NULL,
	role_id VARCHAR(63) NOT NULL,
	display_name TEXT NOT NULL,
	permissions TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_role PRIMARY KEY (tenant_id, role_id)
);
CREATE TABLE role_binding (
	tenant_id VARCHAR(36) NOT NULL,
	principal_id VARCHAR(36) NOT NULL,
	role_id VARCHAR(63) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	created_by TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_role_binding PRIMARY KEY (tenant_id, principal_id, role_id, workspace_id)
);
CREATE TABLE run (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	short_id VARCHAR(8) NOT NULL,
	kind SMALLINT NOT NULL,
	display_name TEXT NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	flow_name TEXT NOT NULL,
	task_key TEXT NOT NULL,
	task_name TEXT NOT NULL,
	task_index INTEGER NOT NULL,
	parent_run_id VARCHAR(36),
	root_run_id VARCHAR(36) NOT NULL,
	state SMALLINT NOT NULL,
	reason TEXT NOT NULL,
	message TEXT NOT NULL,
	state_us BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	attempt INTEGER NOT NULL,
	inferred BOOLEAN NOT NULL,
	fence BIGINT NOT NULL,
	next_attempt_us BIGINT,
	scheduled_us BIGINT,
	started_us BIGINT,
	ended_us BIGINT,
	running_us BIGINT NOT NULL,
	labels TEXT NOT NULL,
	tags TEXT NOT NULL,
	progress TEXT,
	code_version TEXT NOT NULL,
	cache_key TEXT NOT NULL,
	cached_from_run_id VARCHAR(36),
	traceparent TEXT NOT NULL,
	tracestate TEXT NOT NULL,
	producer_id VARCHAR(36),
	occurred_us BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	observed_late BOOLEAN NOT NULL,
	position BIGINT NOT NULL,
	CONSTRAINT pk_run PRIMARY KEY (tenant_id, run_id)
);
CREATE TABLE run_count (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	kind SMALLINT NOT NULL,
	state SMALLINT NOT NULL,
	runs BIGINT NOT NULL,
	CONSTRAINT pk_run_count PRIMARY KEY (tenant_id, workspace_id, flow_id, kind, state)
);
CREATE TABLE run_detail (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	parameters TEXT,
	result TEXT,
	failure TEXT,
	dependencies TEXT,
	retry_policy TEXT,
	timeout_us BIGINT,
	CONSTRAINT pk_run_detail PRIMARY KEY (tenant_id, run_id)
);
CREATE TABLE run_directive (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	kind SMALLINT NOT NULL,
	revision BIGINT NOT NULL,
	message TEXT NOT NULL,
	grace_us BIGINT,
	actor TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_run_directive PRIMARY KEY (tenant_id, run_id)
);
CREATE TABLE run_input (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	position BIGINT NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	input_id VARCHAR(36) NOT NULL,
	key_prefix VARCHAR(200) NOT NULL,
	sender VARCHAR(255) NOT NULL,
	content TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_run_input PRIMARY KEY (tenant_id, run_id, position),
	CONSTRAINT uq_run_input_tenant_id_run_id_input_id UNIQUE (tenant_id, run_id, input_id)
);
CREATE TABLE run_key (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	"key" VARCHAR(255) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_run_key PRIMARY KEY (tenant_id, workspace_id, flow_id, deployment_id, "key")
);
CREATE TABLE run_label (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	"key" TEXT NOT NULL,
	value TEXT NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_run_label PRIMARY KEY (tenant_id, workspace_id, "key", run_id)
);
CREATE TABLE run_origin (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	deployment_revision BIGINT NOT NULL,
	schedule_id VARCHAR(63) NOT NULL,
	slot_us BIGINT,
	backfill_id VARCHAR(63) NOT NULL,
	"trigger" SMALLINT NOT NULL,
	pool_id VARCHAR(63) NOT NULL,
	queue_id VARCHAR(63) NOT NULL,
	priority INTEGER NOT NULL,
	start_deadline_us BIGINT,
	job_overrides TEXT NOT NULL,
	creator TEXT NOT NULL,
	crash_retries INTEGER NOT NULL,
	returns INTEGER NOT NULL, replay TEXT,
	CONSTRAINT pk_run_origin PRIMARY KEY (tenant_id, run_id)
);
CREATE TABLE run_pause (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	pause_key VARCHAR(255) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	suspended BOOLEAN NOT NULL,
	waiting BOOLEAN NOT NULL,
	input_schema TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	deadline_us BIGINT,
	answered_us BIGINT,
	input TEXT,
	actor TEXT NOT NULL,
	request_id VARCHAR(36),
	CONSTRAINT pk_run_pause PRIMARY KEY (tenant_id, run_id, pause_key)
);
CREATE TABLE run_tag (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	tag TEXT NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_run_tag PRIMARY KEY (tenant_id, workspace_id, tag, run_id)
);
CREATE TABLE schedule (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	schedule_id VARCHAR(63) NOT NULL,
	content TEXT NOT NULL,
	paused BOOLEAN NOT NULL,
	zone_version VARCHAR(63) NOT NULL,
	next_due_us BIGINT,
	wake_us BIGINT,
	decided_us BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_schedule PRIMARY KEY (tenant_id, workspace_id, flow_id, deployment_id, schedule_id)
);
CREATE TABLE schedule_slot (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	schedule_id VARCHAR(63) NOT NULL,
	slot_us BIGINT NOT NULL,
	outcome SMALLINT NOT NULL,
	run_id VARCHAR(36),
	count BIGINT NOT NULL,
	message TEXT NOT NULL,
	decided_us BIGINT NOT NULL,
	CONSTRAINT pk_schedule_slot PRIMARY KEY (tenant_id, workspace_id, flow_id, deployment_id, schedule_id, slot_us)
);
CREATE TABLE schema_info (
	only SMALLINT NOT NULL,
	oldest_service VARCHAR(4) NOT NULL,
	CONSTRAINT pk_schema_info PRIMARY KEY (only)
);
INSERT INTO "schema_info" VALUES(1,'0001');
CREATE TABLE secret (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	secret_id VARCHAR(63) NOT NULL,
	row_id VARCHAR(36) NOT NULL,
	description TEXT NOT NULL,
	version BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	key_id VARCHAR(32) NOT NULL,
	sealed TEXT NOT NULL,
	setter TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_secret PRIMARY KEY (tenant_id, workspace_id, secret_id)
);
CREATE TABLE server_key (
	purpose VARCHAR(16) NOT NULL,
	key_id VARCHAR(64) NOT NULL,
	sealed TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	used_from_us BIGINT NOT NULL,
	used_until_us BIGINT,
	CONSTRAINT pk_server_key PRIMARY KEY (purpose, key_id)
);
CREATE TABLE service_alive (
	only SMALLINT NOT NULL,
	seen_us BIGINT NOT NULL,
	CONSTRAINT pk_service_alive PRIMARY KEY (only)
);
CREATE TABLE tenant (
	tenant_id VARCHAR(36) NOT NULL,
	slug VARCHAR(63) NOT NULL,
	display_name TEXT NOT NULL,
	suspended BOOLEAN NOT NULL,
	quotas TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	access_changed_us BIGINT NOT NULL,
	CONSTRAINT pk_tenant PRIMARY KEY (tenant_id),
	CONSTRAINT uq_tenant_slug UNIQUE (slug)
);
CREATE TABLE transition (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	revision BIGINT NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	position BIGINT NOT NULL,
	from_state SMALLINT NOT NULL,
	to_state SMALLINT NOT NULL,
	attempt INTEGER NOT NULL,
	reason TEXT NOT NULL,
	message TEXT NOT NULL,
	failure TEXT,
	occurred_us BIGINT NOT NULL,
	recorded_us BIGINT NOT NULL,
	source SMALLINT NOT NULL,
	inferred BOOLEAN NOT NULL,
	actor TEXT NOT NULL,
	producer_id VARCHAR(36),
	producer_sequence BIGINT NOT NULL,
	next_attempt_us BIGINT,
	rule VARCHAR(63) NOT NULL, evidence TEXT,
	CONSTRAINT pk_transition PRIMARY KEY (tenant_id, run_id, revision)
);
CREATE TABLE trust (
	tenant_id VARCHAR(36) NOT NULL,
	trust_id VARCHAR(63) NOT NULL,
	issuer VARCHAR(255) NOT NULL,
	terms TEXT NOT NULL,
	credential_id VARCHAR(16),
	created_by TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_trust PRIMARY KEY (tenant_id, trust_id)
);
CREATE TABLE variable (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	variable_id VARCHAR(255) NOT NULL,
	row_id VARCHAR(36) NOT NULL,
	value_json TEXT NOT NULL,
	tags TEXT NOT NULL,
	revision BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_variable PRIMARY KEY (tenant_id, workspace_id, variable_id)
);
CREATE TABLE waiting_device (
	device_id VARCHAR(16) NOT NULL,
	user_code VARCHAR(8) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	pepper_version INTEGER NOT NULL,
	client_name TEXT NOT NULL,
	address TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	expires_us BIGINT NOT NULL,
	polled_us BIGINT,
	approved_tenant_id VARCHAR(36),
	credential_id VARCHAR(16),
	CONSTRAINT pk_waiting_device PRIMARY KEY (device_id),
	CONSTRAINT uq_waiting_device_user_code UNIQUE (user_code)
);
CREATE TABLE work_lease (
	tenant_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	lease_id VARCHAR(36) NOT NULL,
	fence BIGINT NOT NULL,
	attempt INTEGER NOT NULL,
	pool_id VARCHAR(63) NOT NULL,
	queue_id VARCHAR(63) NOT NULL,
	flow_id VARCHAR(63) NOT NULL,
	deployment_id VARCHAR(63) NOT NULL,
	worker_id VARCHAR(63) NOT NULL,
	instance_id VARCHAR(36) NOT NULL,
	phase SMALLINT NOT NULL,
	counts BOOLEAN NOT NULL,
	pid BIGINT NOT NULL,
	granted_us BIGINT NOT NULL,
	phase_us BIGINT NOT NULL,
	expires_us BIGINT NOT NULL,
	CONSTRAINT pk_work_lease PRIMARY KEY (tenant_id, run_id)
);
CREATE TABLE work_pool (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	pool_id VARCHAR(63) NOT NULL,
	kind VARCHAR(63) NOT NULL,
	description TEXT NOT NULL,
	job_template TEXT NOT NULL,
	paused BOOLEAN NOT NULL,
	concurrency_limit INTEGER NOT NULL,
	lease_us BIGINT NOT NULL,
	start_timeout_us BIGINT NOT NULL,
	grace_us BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_work_pool PRIMARY KEY (tenant_id, workspace_id, pool_id)
);
CREATE TABLE work_queue (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	pool_id VARCHAR(63) NOT NULL,
	queue_id VARCHAR(63) NOT NULL,
	description TEXT NOT NULL,
	rank INTEGER NOT NULL,
	paused BOOLEAN NOT NULL,
	concurrency_limit INTEGER NOT NULL,
	revision BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	updated_us BIGINT NOT NULL,
	CONSTRAINT pk_work_queue PRIMARY KEY (tenant_id, workspace_id, pool_id, queue_id)
);
CREATE TABLE worker (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	pool_id VARCHAR(63) NOT NULL,
	worker_id VARCHAR(63) NOT NULL,
	instance_id VARCHAR(36) NOT NULL,
	attachment VARCHAR(36),
	started_us BIGINT,
	attached BOOLEAN NOT NULL,
	draining BOOLEAN NOT NULL,
	slots INTEGER NOT NULL,
	queues TEXT NOT NULL,
	labels TEXT NOT NULL,
	version TEXT NOT NULL,
	host TEXT NOT NULL,
	principal TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	seen_us BIGINT NOT NULL, clock_offset_us BIGINT, paused BOOLEAN DEFAULT 0 NOT NULL,
	CONSTRAINT pk_worker PRIMARY KEY (tenant_id, workspace_id, pool_id, worker_id)
);
CREATE TABLE workspace (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	position BIGINT NOT NULL,
	log_position BIGINT NOT NULL,
	created_us BIGINT NOT NULL, transition_floor BIGINT DEFAULT '0' NOT NULL, log_floor BIGINT DEFAULT '0' NOT NULL, tombstone_floor BIGINT DEFAULT '0' NOT NULL, stored_bytes BIGINT DEFAULT '0' NOT NULL,
	CONSTRAINT pk_workspace PRIMARY KEY (tenant_id, workspace_id)
);
CREATE TABLE workspace_entry (
	tenant_id VARCHAR(36) NOT NULL,
	workspace_id VARCHAR(63) NOT NULL,
	display_name TEXT NOT NULL,
	created_us BIGINT NOT NULL,
	CONSTRAINT pk_workspace_entry PRIMARY KEY (tenant_id, workspace_id)
);
CREATE INDEX ix_deleted_run_tenant_id_workspace_id_position ON deleted_run (tenant_id, workspace_id, position);
CREATE INDEX ix_log_line_tenant_id_run_id_position ON log_line (tenant_id, run_id, position);
CREATE INDEX ix_log_line_tenant_id_workspace_id_position ON log_line (tenant_id, workspace_id, position);
CREATE INDEX ix_refusal_tenant_id_run_id ON refusal (tenant_id, run_id);
CREATE INDEX ix_run_tenant_id_parent_run_id_state ON run (tenant_id, parent_run_id, state);
CREATE INDEX ix_run_tenant_id_producer_id_state ON run (tenant_id, producer_id, state);
CREATE INDEX ix_run_tenant_id_root_run_id ON run (tenant_id, root_run_id);
CREATE INDEX ix_run_tenant_id_short_id ON run (tenant_id, short_id);
CREATE INDEX ix_run_tenant_id_workspace_id_created_us_run_id ON run (tenant_id, workspace_id, created_us, run_id);
CREATE INDEX ix_run_tenant_id_workspace_id_flow_id_created_us ON run (tenant_id, workspace_id, flow_id, created_us);
CREATE INDEX ix_run_flow_runs ON run (tenant_id, workspace_id, created_us, run_id) WHERE kind = 1;
CREATE INDEX ix_run_flow_runs_of_flow ON run (tenant_id, workspace_id, flow_id, created_us, run_id) WHERE kind = 1;
CREATE INDEX ix_run_tenant_id_workspace_id_position ON run (tenant_id, workspace_id, position);
CREATE INDEX ix_run_tenant_id_workspace_id_state_created_us ON run (tenant_id, workspace_id, state, created_us);
CREATE INDEX ix_run_label_tenant_id_run_id ON run_label (tenant_id, run_id);
CREATE INDEX ix_run_tag_tenant_id_run_id ON run_tag (tenant_id, run_id);
CREATE INDEX ix_transition_tenant_id_workspace_id_position ON transition (tenant_id, workspace_id, position);
CREATE INDEX ix_tenant_access_changed_us ON tenant (access_changed_us);
CREATE INDEX ix_api_key_tenant_id_principal_id_created_us ON api_key (tenant_id, principal_id, created_us);
CREATE INDEX ix_waiting_device_address_expires_us ON waiting_device (address, expires_us);
CREATE INDEX ix_secret_tenant_id_key_id ON secret (tenant_id, key_id);
CREATE INDEX ix_worker_tenant_id_seen_us ON worker (tenant_id, seen_us);
CREATE INDEX ix_deployment_tenant_id_workspace_id_pool_id ON deployment (tenant_id, workspace_id, pool_id);
CREATE INDEX ix_schedule_tenant_id_wake_us ON schedule (tenant_id, wake_us) WHERE wake_us IS NOT NULL;
CREATE INDEX ix_schedule_slot_tenant_id_decided_us ON schedule_slot (tenant_id, decided_us);
CREATE INDEX ix_backfill_tenant_id_state ON backfill (tenant_id, state);
CREATE INDEX ix_run_key_tenant_id_created_us ON run_key (tenant_id, created_us);
CREATE INDEX ix_run_origin_tenant_id_workspace_id_backfill_id_run_id ON run_origin (tenant_id, workspace_id, backfill_id, run_id);
CREATE INDEX ix_run_origin_tenant_id_workspace_id_flow_id_deployment_id_schedule_id_run_id ON run_origin (tenant_id, workspace_id, flow_id, deployment_id, schedule_id, run_id);
CREATE INDEX ix_queued_deadline ON queued (tenant_id, deadline_us) WHERE deadline_us IS NOT NULL;
CREATE INDEX ix_queued_deployment ON queued (tenant_id, workspace_id, flow_id, deployment_id);
CREATE INDEX ix_queued_parked ON queued (tenant_id, workspace_id, parked_by) WHERE parked_by IS NOT NULL;
CREATE INDEX ix_queued_ready ON queued (tenant_id, workspace_id, pool_id, queue_id, priority DESC, due_us, run_id) WHERE parked_by IS NULL;
CREATE INDEX ix_work_lease_deployment ON work_lease (tenant_id, workspace_id, flow_id, deployment_id);
CREATE INDEX ix_work_lease_expires_us ON work_lease (tenant_id, expires_us);
CREATE INDEX ix_work_lease_tenant_id_workspace_id_pool_id_worker_id ON work_lease (tenant_id, workspace_id, pool_id, worker_id);
CREATE UNIQUE INDEX ux_work_lease_lease_id ON work_lease (tenant_id, lease_id);
CREATE INDEX ix_concurrency_limit_template ON concurrency_limit (tenant_id, workspace_id, template) WHERE template <> '';
CREATE INDEX ix_limit_hold_held ON limit_hold (tenant_id, workspace_id, limit_id) WHERE NOT waiting;
CREATE INDEX ix_limit_hold_waiting ON limit_hold (tenant_id, workspace_id, limit_id, rank_us, acquisition_id) WHERE waiting;
CREATE INDEX ix_limit_hold_expires_us ON limit_hold (tenant_id, expires_us);
CREATE INDEX ix_limit_hold_run_id ON limit_hold (tenant_id, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX ix_run_pause_deadline_us ON run_pause (tenant_id, deadline_us) WHERE waiting AND suspended;
CREATE INDEX ix_artifact_tenant_id_run_id ON artifact (tenant_id, run_id);
CREATE INDEX ix_artifact_tenant_id_root_run_id ON artifact (tenant_id, root_run_id);
CREATE INDEX ix_artifact_tenant_id_workspace_id_key_version ON artifact (tenant_id, workspace_id, "key", version);
CREATE INDEX ix_artifact_tenant_id_workspace_id_created_us_artifact_id ON artifact (tenant_id, workspace_id, created_us, artifact_id);
