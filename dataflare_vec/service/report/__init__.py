"""The performance report of a manager, as JSON or as an HTML page with charts."""

from dataflare_vec.service.report.export import collect, export_report

__all__ = ["collect", "export_report"]
