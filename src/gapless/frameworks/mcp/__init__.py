"""The one door to MCP: servers over stdio and streamable HTTP. The library is imported when a server is first asked."""
