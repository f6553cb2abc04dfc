"""`--keep`: leaves the demo running and prints commands to try."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from sandbox.demo.state import State
from sandbox.files import ROTATOR, write_environment
from sandbox.signals import stop_requested


async def run_until_stopped(state: State, directory: Path) -> None:
    """Print ready-made commands and wait for Ctrl-C. Report an end of the daemon meanwhile."""
    env = write_environment(directory / "env", state.sandbox)
    print(commands(state, env), flush=True)
    stopped = asyncio.ensure_future(stop_requested().wait())
    ended = asyncio.ensure_future(state.daemon.process.wait())
    await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        start = run_command(state)
        print(f"The daemon ended (exit code {ended.result()}). Start it again: {start}", flush=True)
        await stopped
    ended.cancel()


def run_command(state: State) -> str:
    """Return the command that starts the daemon."""
    return f"{ROTATOR} run -c {state.config}"


def commands(state: State, env: Path) -> str:
    control = state.sandbox.control_url
    oslo, tromso = state.deployed["oslo"], state.deployed["tromso"]
    event = json.dumps({"gateway": "oslo", "kind": "near-expiry", "count": 5})
    second_write = {"server": "kubernetes", "method": "PATCH", "path": "/secrets/", "skip": 1}
    fault = json.dumps(second_write | {"action": "hang"})
    workload = {"namespace": tromso.namespace, "workload": tromso.workload.partition("/")[2]}
    crash, no_fault = (json.dumps(workload | {"fault": name}) for name in ("crash-loop", None))
    internal = f"http://127.0.0.1:{state.ports()['internal']}"
    return f"""
The demo keeps running until Ctrl-C. In another terminal:

  . {env}                 # the sandbox's kubeconfig and identity
  {ROTATOR} status -c {state.config}
  {ROTATOR} rotate-now oslo --force -c {state.config}
  kubectl -n {oslo.namespace} get pods,secrets
  kubectl -n {oslo.namespace} events --for secret/{oslo.secret}

  # send events about the token in place
  curl -s {control}/events -d '{event}'

  # kill the daemon in the middle of a rotation, then start it again: the rotation continues
  # as soon as the Lease of the killed process runs out (10 s)
  curl -s {control}/faults -d '{fault}'
  curl -s {control}/events -d '{event}'
  kill -9 {state.daemon.process.pid}
  curl -s -X DELETE {control}/faults
  {run_command(state)}

  # make a gateway's new pods crash and rotate it: the command says what hangs; Ctrl-C ends the command.
  # Then remove the fault: the rollout continues
  curl -s {control}/pod-faults -d '{crash}'
  {ROTATOR} rotate-now tromso --force -c {state.config}
  curl -s {control}/pod-faults -d '{no_fault}'

  # look inside
  curl -s {internal}/api/v1/gateways
  curl -s {internal}/metrics | grep rotator_
  curl -s {control}/pods            # which token each gateway pod runs
"""
