"""The one door to whatever offers tools: MCP servers, OpenAPI documents, Python functions."""
