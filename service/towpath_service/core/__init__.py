"""What every subject may use: errors, names, clocks, the bus, limits of tenants; pure."""
