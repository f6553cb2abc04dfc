"""The table `[log]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rotator.config.schema.table import Table


class LogSettings(Table):
    """auto: JSON in a pod, pretty on a terminal."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", examples=['"info"'])
    format: Literal["auto", "json", "pretty"] = Field(default="auto", examples=['"auto"'])
