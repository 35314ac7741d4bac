"""What is true of secrets, whoever stores or reports it: no I/O."""
