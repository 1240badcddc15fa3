"""What stands between the network and the page: whose session is whose, a queue that lives, and Gradio's patches."""
