"""What answers: recognizers, and the engines that compute their networks."""
