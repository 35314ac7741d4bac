"""The project file that `towpath init` writes."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = """\
# Deployments of this project. `towpath deploy --all` makes them what this file says.
# `towpath deploy --help` lists what a command can give instead.

# Where workers find the code. Without it: in this folder, for workers on this machine.
# pull:
#   - git_clone:
#       repository: https://git.example.org/team/pipelines.git
#       branch: main
#       access_token: "{{ secrets.git-token }}"   # for private repositories

# The work pool of deployments that name none.
# work_pool:
#   name: local

deployments:
  # - name: nightly
  #   entrypoint: etl.py:etl            # path/file.py:flow, or package.module:flow
  #   parameters:
  #     source: warehouse
  #   tags: [etl]
  #   concurrency_limit: 1              # most runs at a time
  #   work_pool:
  #     name: local
  #   schedules:
  #     - cron: "0 2 * * *"             # minute, hour, day of month, month, day of week
  #       timezone: Europe/London
  #       overlap: skip                 # allow, skip, queue, queue_one or cancel_running
"""
