# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames from interfaces and capture files, and into capture files.

    filter.py     the BPF text of each mode
    source.py     what every source of frames offers
    live.py       interfaces; interface.py: one of them
    file.py       capture files; inflating.py: those that gzip has packed
    recorder.py   -wf: captured frames in a folder; pcap_file.py: the file that grows

libpcap does the work: its rings, its compiler for filters, its reader of files.
"""
