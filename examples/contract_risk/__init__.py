"""The reference agent: "Summarize the financial risk of supplier X using our internal contracts", on real parts."""
