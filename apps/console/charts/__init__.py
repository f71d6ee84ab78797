"""Figures: one module each, Plotly as plain data. Colours are tokens (`$ok`), resolved in the browser."""
