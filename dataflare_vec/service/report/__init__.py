"""The performance report: what a manager knows, as JSON or as a page with charts."""

from dataflare_vec.service.report.export import collect, export_report

__all__ = ["collect", "export_report"]
