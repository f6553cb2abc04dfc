"""`--keep`: leaves the stage standing, with commands to play with."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from rotator.cli.demo.process import Daemon
from rotator.sandbox import Sandbox


async def keep_running(
    sandbox: Sandbox, daemon: Daemon, config: Path, directory: Path, ports: dict[str, int]
) -> None:
    """Print ready-made commands and wait for Ctrl-C."""
    env = directory / "env"
    env.write_text("".join(f"export {k}='{v}'\n" for k, v in sandbox.environment().items()))
    env.chmod(0o600)
    print(commands(sandbox, daemon, config, env, ports), flush=True)
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    await stop.wait()


def commands(sandbox: Sandbox, daemon: Daemon, config: Path, env: Path, ports: dict[str, int]) -> str:
    control, python = sandbox.control_url, sys.executable
    event = '{"gateway": "oslo", "kind": "near-expiry", "count": 5}'
    fault = '{"server": "kubernetes", "method": "PATCH", "path": "/secrets/", "action": "hang"}'
    sick = '{"namespace": "gateways-north", "workload": "tromso", "behavior": "never-ready"}'
    return f"""
It stays, until Ctrl-C. In another terminal:

  . {env}                                   # kubeconfig and identity of the sandbox
  {python} -m rotator status -c {config}
  {python} -m rotator rotate-now oslo --force -c {config}
  kubectl -n gateways-east get pods,secrets,events

  # send events
  curl -s {control}/events -d '{event}'

  # kill the daemon in the middle of a rotation, then start it again: it goes on where it was
  curl -s {control}/faults -d '{fault}'
  curl -s {control}/events -d '{event}'
  kill -9 {daemon.process.pid}
  curl -s -X DELETE {control}/faults
  {python} -m rotator run -c {config}

  # break a gateway, rotate it, and see what is told; then heal it ("behavior": null)
  curl -s {control}/sick -d '{sick}'

  # look inside
  curl -s http://127.0.0.1:{ports["internal"]}/api/v1/gateways
  curl -s http://127.0.0.1:{ports["internal"]}/metrics | grep rotator_
  curl -s {control}/pods                     # which token each gateway pod runs
  # this process: {os.getpid()}
"""
