"""Configuration: YAML files, validated, reloaded while running."""

from bot.config.live import LiveConfig, Loaded, load
from bot.config.models import Config

__all__ = ["Config", "LiveConfig", "Loaded", "load"]
