"""Tests of the chart and of the image, without a cluster."""
