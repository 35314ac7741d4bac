"""`towpath migrate-from-prefect`: it rewrites programs, and says what is left to do by hand."""
