# kemiscope: every task of a user and of a developer. `make` alone lists them.

PYTHON := .venv/bin/python
# Of `make test`: processes beside the first; auto is one more than there are processors.
JOBS := 0

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

run: install ## install what is missing, start everything, prove that it works
	@$(PYTHON) -m stack up

stop: ## stop what `make run` started
	@$(PYTHON) -m stack down

status: ## what runs where
	@$(PYTHON) -m stack status

demo: run install-tools ## place real calls through an example proxy
	@$(PYTHON) -m stack demo

doctor: ## why is there no data?
	@$(PYTHON) -m collector doctor

install: ## packages of the distribution and the virtual environment
	@stack/install.sh

install-tools: install
	@stack/install.sh sip-tester tshark

install-dev:
	@stack/install.sh --dev sip-tester tshark kamailio-postgres-modules kamailio-tls-modules gcc \
		libc6-dev libssl-dev openssl chromium slapd prometheus dpkg-dev debhelper build-essential \
		python3-dev debootstrap systemd-container

packages: ## Debian packages of capture node and agent, into var/packages
	@stack/install.sh dpkg-dev debhelper build-essential python3-dev
	@stack/packages.sh

test: install-dev lint ## all tests
	@$(PYTHON) -m pytest -n $(JOBS) -m "not alone"; beside=$$?; \
	$(PYTHON) -m pytest -m alone && exit $$beside

lint: install-dev ## style and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

fuzz: install-dev ## a million mutated packets and messages through the codecs
	@$(PYTHON) -m tests.fuzz

audit: install-dev ## known vulnerabilities of what we depend on
	@$(PYTHON) -m tests.audit

docs: install-dev ## write the pages that are made from the code
	@$(PYTHON) -m collector dump-config --sample > kemiscope.sample.toml
	@$(PYTHON) -m collector dump-config --markdown > docs/settings.md
	@$(PYTHON) -m collector causes --markdown > docs/causes.md
	@$(PYTHON) -m agent.flags.markdown > docs/flags.md
	@$(PYTHON) -m stack.monitoring.dashboard > stack/monitoring/dashboard.json

site: install-dev ## the documentation as a static site, into var/site
	@$(PYTHON) -m properdocs build --strict --config-file stack/site/properdocs.yml

screenshots: install-dev ## each page, light and dark, into docs/images
	@stack/install.sh --dev fonts-inter fonts-jetbrains-mono
	@$(PYTHON) -m tests.screenshots

bench: install-dev ## measure, beside Kamailio's own sipcapture; results in bench/results
	@$(PYTHON) -m bench

.PHONY: help run stop status demo doctor install install-tools install-dev packages test lint fuzz audit docs site screenshots bench
