"""The handlers of IngestService, RunService, FlowService, LogService and ServerService."""
