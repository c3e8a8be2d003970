"""What is shipped for other people's tools: a board for Grafana, and recording and alerting rules for Prometheus with their tests."""
