"""The targets of a gateway: Secrets, workloads and pods."""
