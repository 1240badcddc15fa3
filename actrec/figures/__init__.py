"""The one drawing kit: SVG charts and drawings, colour maps, pictures inside a page."""
