"""When the files are read again, what of it is told, and that nothing half-written is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from rotator.config import Settings
from rotator.daemon import config_reload as module
from rotator.daemon.config_reload import ConfigReload, Signals
from rotator.daemon.listeners import Listeners
from rotator.daemon.resources import PluginTimeout, Resources, prepare
from rotator.errors import Refused
from tests.daemon.test_config_reload_files import TEXT

GOOD = TEXT.replace('ca_file = "ca.pem"', 'credential = "managed-identity"').replace(
    "[webhook]", '[internal]\nlisten = "127.0.0.1:0"\n[webhook]'
)
OTHER = GOOD.replace('namespace = "oslo"', 'namespace = "elsewhere"')
KUBECONFIG = {
    "current-context": "a",
    "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "a", "user": {"token": "invented"}}],
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
}


@dataclass
class World:
    """A configuration on disk, and what became of its readings. Nothing is ever sent."""

    folder: Path
    signals: Signals = field(default_factory=Signals)
    tried: list[Settings] = field(default_factory=list)
    refused: list[tuple[str, ...]] = field(default_factory=list)
    accepted: int = 0
    trouble: str = ""
    hanging: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        (self.folder / "kube").mkdir()
        (self.folder / "kube" / "config").write_text(yaml.safe_dump(KUBECONFIG))
        self.config.write_text(GOOD)
        self.gate.set()
        self.reload = ConfigReload(
            self.config, {}, self.signals, self.prepare, self.refused.append, self.accept
        )

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def accept(self) -> None:
        self.accepted += 1

    async def prepare(self, settings: Settings) -> Resources:
        self.tried.append(settings)
        await self.gate.wait()
        if self.hanging:
            raise PluginTimeout("a plugin hangs")
        if self.trouble:
            raise Refused(self.trouble, "Correct it.")
        resources = await prepare(settings, {}, "me", Listeners({}))
        await self.stack.enter_async_context(resources.stack)
        return resources

    async def hup(self) -> None:
        """Have it look, and return when it has looked."""
        self.signals.to_reload()
        while self.signals._news.is_set():
            await asyncio.sleep(0)

    async def until_tried(self, number: int) -> None:
        await until(lambda: len(self.tried) >= number)


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not so():
            await asyncio.sleep(0.001)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(module, "SETTLE_INTERVAL", timedelta(seconds=0.02))
    monkeypatch.setattr(
        module, "CHECK_INTERVAL", timedelta(hours=1)
    )  # what a test does not ask for comes too late
    world = World(tmp_path)
    await world.reload.first()
    async with world.stack:
        yield world


async def test_what_is_half_written_is_not_read(world: World) -> None:
    following = asyncio.create_task(world.reload.following())
    for part in (OTHER[:50], OTHER[:200], OTHER):
        world.config.write_text(part)
        await world.hup()
    resources = await asyncio.wait_for(following, 60)
    assert resources and resources.settings.gateways[0].targets[0].namespace == "elsewhere"
    assert world.refused == []


async def test_a_mistake_is_told_once_and_another_one_again(world: World) -> None:
    following = asyncio.create_task(world.reload.following())
    world.trouble = "the port is taken"
    world.config.write_text(OTHER)
    await world.hup()
    await world.until_tried(2)
    for number in (3, 4):
        await world.hup()
        await world.until_tried(number)
    assert world.refused == [("the port is taken. Correct it.",)]
    world.trouble = "the port is taken by somebody else"
    await world.hup()
    await world.until_tried(5)
    assert len(world.refused) == 2
    world.trouble = ""
    await world.hup()
    assert await asyncio.wait_for(following, 60)


async def test_what_depends_on_no_file_is_tried_again_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_INTERVAL", timedelta(seconds=0.01))
    monkeypatch.setattr(module, "RETRY_INTERVAL", timedelta(seconds=0.05))
    world.trouble = "the port is taken"
    following = asyncio.create_task(world.reload.following())
    world.config.write_text(OTHER)
    await world.hup()
    await world.until_tried(3)
    world.trouble = ""
    assert await asyncio.wait_for(following, 60)
    assert len(world.refused) == 1


async def test_a_plugin_that_hangs_is_not_started_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_INTERVAL", timedelta(seconds=0.01))
    monkeypatch.setattr(module, "RETRY_INTERVAL", timedelta(seconds=0.01))
    looks = 0

    async def within(wait: timedelta) -> None:
        nonlocal looks
        looks += 1
        await asked(wait)

    asked = world.signals.within
    monkeypatch.setattr(world.signals, "within", within)
    world.hanging = True
    following = asyncio.create_task(world.reload.following())
    world.config.write_text(OTHER)
    await world.until_tried(2)
    so_far = looks
    await until(lambda: looks >= so_far + 10)
    assert len(world.tried) == 2 and len(world.refused) == 1
    world.hanging = False
    world.signals.to_reload()
    assert await asyncio.wait_for(following, 60)


@pytest.mark.parametrize("name", ["config.toml", "kube/config"])
async def test_a_mistake_that_is_taken_back_needs_no_new_generation(world: World, name: str) -> None:
    following = asyncio.create_task(world.reload.following())
    good = (world.folder / name).read_text()
    (world.folder / name).write_text("nonsense")
    await world.hup()
    await until(lambda: bool(world.refused))
    tried = len(world.tried)
    (world.folder / name).write_text(good)
    await world.hup()
    await until(lambda: world.accepted == 1)
    assert not following.done() and len(world.tried) == tried
    world.signals.to_leave()
    assert await asyncio.wait_for(following, 60) is None


async def test_a_defect_while_reading_leaves_the_generation_before_in_force(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Settings:
        raise ZeroDivisionError("GatewayKey oslo&202911150000&invented")

    monkeypatch.setattr(module, "load", broken)
    following = asyncio.create_task(world.reload.following())
    world.config.write_text(OTHER)
    await world.hup()
    await until(lambda: bool(world.refused))
    assert world.refused == [("a defect of the rotator (ZeroDivisionError)",)] and not following.done()
    world.signals.to_leave()
    assert await asyncio.wait_for(following, 60) is None


async def test_a_kubeconfig_that_changes_is_read_with_the_same_configuration(world: World) -> None:
    following = asyncio.create_task(world.reload.following())
    changed = yaml.safe_dump(KUBECONFIG).replace("invented", "another")
    (world.folder / "kube" / "config").write_text(changed)
    await world.hup()
    resources = await asyncio.wait_for(following, 60)
    assert resources and resources.settings == world.tried[0]


async def test_a_bad_kubeconfig_is_not_taken_for_corrected_when_it_is_tried_again(world: World) -> None:
    following = asyncio.create_task(world.reload.following())
    (world.folder / "kube" / "config").write_text("nonsense")
    await world.hup()
    await until(lambda: bool(world.refused))
    await world.hup()
    await world.until_tried(3)
    world.config.write_text(f"# other words\n{GOOD}")
    await world.hup()
    await world.until_tried(4)
    assert world.accepted == 0 and len(world.refused) == 2
    world.signals.to_leave()
    assert await asyncio.wait_for(following, 60) is None


async def test_a_kubeconfig_that_could_not_be_used_for_a_while_is_taken_in_the_end(world: World) -> None:
    following = asyncio.create_task(world.reload.following())
    world.trouble = "a file that it names is away"
    (world.folder / "kube" / "config").write_text(yaml.safe_dump(KUBECONFIG).replace("invented", "another"))
    await world.hup()
    await until(lambda: bool(world.refused))
    world.trouble = ""
    await world.hup()
    assert await asyncio.wait_for(following, 60)


async def test_who_is_asked_to_leave_does_not_wait_for_what_is_being_opened(world: World) -> None:
    world.gate.clear()
    following = asyncio.create_task(world.reload.following())
    world.config.write_text(OTHER)
    await world.hup()
    await world.until_tried(2)
    world.signals.to_leave()
    assert await asyncio.wait_for(following, 60) is None


async def test_who_is_asked_to_leave_leaves_at_once(world: World) -> None:
    world.signals.to_leave()
    assert await asyncio.wait_for(world.reload.following(), 60) is None
