"""The language model behind the draft: embedded, in processes of its own, or any OpenAI-compatible endpoint."""
