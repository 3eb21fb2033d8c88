"""Probes of the tools that steps call: MCP servers."""
