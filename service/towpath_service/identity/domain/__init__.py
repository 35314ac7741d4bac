"""What is true of identity, whoever stores or reports it: no I/O."""
