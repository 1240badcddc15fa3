"""The one drawing kit: SVG charts and drawings, colour maps, images inside a page."""
