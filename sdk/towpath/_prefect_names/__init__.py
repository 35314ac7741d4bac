"""Names of Prefect, and what stands for them: for the converter, and for errors that say it."""
