"""The handlers of AuthService, AccessService and TenantService, and the guard of all calls."""
