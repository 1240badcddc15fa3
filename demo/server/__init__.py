"""Who may use the page, with which files and memory, and what Gradio does not do itself."""
