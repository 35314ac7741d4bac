"""What is true of runs, whoever stores or reports it: no I/O."""
