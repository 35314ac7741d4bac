"""The benchmarks of work: `poe bench work`, a row each."""
