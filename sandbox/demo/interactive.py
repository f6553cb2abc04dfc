"""`--keep`: leaves the stage standing, with commands to play with."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from sandbox.demo.state import Stage


async def keep_running(stage: Stage, directory: Path) -> None:
    """Print ready-made commands and wait for Ctrl-C; say so if the daemon ends."""
    env = directory / "env"
    env.write_text("".join(f"export {k}='{v}'\n" for k, v in stage.sandbox.environment().items()))
    env.chmod(0o600)
    print(commands(stage, env), flush=True)
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    stopped, ended = (asyncio.ensure_future(c) for c in (stop.wait(), stage.daemon.process.wait()))
    await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        print(f"The daemon ended (exit code {ended.result()}). Start it again: {daemon(stage)}", flush=True)
        await stopped
    ended.cancel()


def daemon(stage: Stage) -> str:
    return f"{sys.executable} -m rotator run -c {stage.config}"


def commands(stage: Stage, env: Path) -> str:
    control, rotator = stage.sandbox.control_url, f"{sys.executable} -m rotator"
    oslo, tromso = stage.deployed["oslo"], stage.deployed["tromso"]
    workload = tromso.workload.partition("/")[2]
    event = '{"gateway": "oslo", "kind": "near-expiry", "count": 5}'
    fault = '{"server": "kubernetes", "method": "PATCH", "path": "/secrets/", "skip": 1, "action": "hang"}'
    sick = f'{{"namespace": "{tromso.namespace}", "workload": "{workload}", "behavior": "crash-loop"}}'
    internal = f"http://127.0.0.1:{stage.ports()['internal']}"
    return f"""
It stays, until Ctrl-C. In another terminal:

  . {env}                 # the sandbox's kubeconfig and identity
  {rotator} status -c {stage.config}
  {rotator} rotate-now oslo --force -c {stage.config}
  kubectl -n {oslo.namespace} get pods,secrets
  kubectl -n {oslo.namespace} events --for secret/{oslo.secret}

  # send events about the token in place
  curl -s {control}/events -d '{event}'

  # kill the daemon in the middle of a rotation, then start it again: it goes on where it was
  curl -s {control}/faults -d '{fault}'
  curl -s {control}/events -d '{event}'
  kill -9 {stage.daemon.process.pid}
  curl -s -X DELETE {control}/faults
  {daemon(stage)}

  # break a gateway, rotate it and see what is told; heal it ("behavior": null): the rollout goes on
  curl -s {control}/sick -d '{sick}'
  {rotator} rotate-now tromso --force -c {stage.config}
  curl -s {control}/sick -d '{sick.replace('"crash-loop"', "null")}'

  # look inside
  curl -s {internal}/api/v1/gateways
  curl -s {internal}/metrics | grep rotator_
  curl -s {control}/pods            # which token each gateway pod runs
"""
