"""The Towpath service: records what producers report, and answers what happened."""
