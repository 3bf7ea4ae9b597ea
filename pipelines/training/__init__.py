"""Training as files, processes and clocks: jobs, data, checkpoints, ranks, gangs."""
