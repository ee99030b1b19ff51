# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames from interfaces and capture files, and into capture files.

    filter.py     the BPF text of each mode
    source.py     what every source of frames offers
    live.py       interfaces; interface.py: one of them
    file.py       capture files; inflating.py: those that gzip has packed
    pcap_file.py  -wf: the file that grows; pcap_folder.py: its names and its rotation

libpcap does the work: its rings, its compiler for filters, its reader of files.
"""
