"""What is true of runs, whoever stores or reports them: values in, values out, no I/O."""
