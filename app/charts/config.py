"""How Plotly behaves on every page: its tools, and what they never offer."""

PLOT = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "scrollZoom": False,
    "showTips": False,
    "plotlyServerURL": "",  # nothing is sent anywhere: no "Share chart" upload
    "showSendToCloud": False,
    "showEditInChartStudio": False,
    "modeBarButtonsToRemove": [
        "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "select2d", "lasso2d",
        "sendDataToCloud", "sendChartToCloud", "editInChartStudio",
    ],
    "toImageButtonOptions": {"format": "svg", "filename": "attnscope-map"},
}  # fmt: skip
