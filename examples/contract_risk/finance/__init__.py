"""The finance department's tool: what a contract's facts mean, served over MCP by a process of its own."""
