# What there is to run; `make` alone lists it. Everything happens in .venv, which is made when it is needed.
#   make run                       start, on the embedded store, with a simulated boiler room
#   make test TESTS=tests.test_x   one module only
#   make test JOBS=1               one after another
#   make bench PLOTS=build/bench   leave docs/performance as it is
#   PYTHON=python3.12 make test    with this Python
#   make mutants MODULE=keys       one module only

PYTHON ?=
TESTS ?= tests.everything
JOBS ?= 2
COVERAGE ?=
CYCLES ?= 100
MODULE ?=
COUNT ?= 100000
PLOTS ?= docs/performance

python = .venv/bin/python
prepare = @PYTHON="$(PYTHON)" sh tools/prepare
# Tests start processes in other folders: what these measure has to come back here.
export COVERAGE_FILE = $(CURDIR)/build/coverage/data
trial = $(python) $(if $(COVERAGE),-m coverage run )-m twisted.trial $(if $(filter-out 1,$(JOBS)),-j$(JOBS)) $(TESTS)

help:             ## this list
	@sed -n 's/^\([a-z-]*\): *## */make \1\t/p' Makefile | expand -t 22

run:              ## the daemon with a simulated boiler room; Ctrl-C stops all of it
	$(prepare)
	@exec $(python) -m smok_twisted.tools.main demo

test:             ## the whole suite
	$(prepare) test
	$(if $(COVERAGE),@rm -rf build/coverage && mkdir -p build/coverage)
	$(python) -m tools.cassandra tests -- $(trial)

lint:             ## ruff
	$(prepare) test
	$(python) -m ruff check .

types:            ## mypy: strict on the pure modules, plain on everything
	$(prepare) test
	$(python) -m mypy --strict --follow-imports=silent $$($(python) tools/pure_modules.py)
	$(python) -m mypy

coverage:         ## the whole suite, measured; then coverage-report
	$(MAKE) test COVERAGE=1
	$(MAKE) coverage-report

coverage-report:  ## what the last measured run reached; fails when the wire layers' pure modules miss their bar
	$(prepare) test
	$(python) -m coverage combine -q --keep
	$(python) -m coverage report
	$(python) -m coverage json -q -o build/coverage/coverage.json
	$(python) tools/coverage_gate.py build/coverage/coverage.json

cassandra:        ## a real Cassandra of three nodes on this machine (needs Java 17; Maven the first time)
	$(prepare) test
	@$(python) -m tools.cassandra up

cassandra-down:   ## stop it; its data stay
	$(prepare) test
	@$(python) -m tools.cassandra down

soak:             ## kill -9 of the daemon under load, CYCLES times (100), with a ledger kept outside it
	$(prepare) test
	$(python) -m tests.kill_loop --cycles $(CYCLES)

differential:     ## our MODBUS beside pymodbus, libmodbus and tshark, COUNT PDUs (100000) per function and direction
	$(prepare) test
	$(python) -m tests.differential --count $(COUNT)

soak-cassandra:   ## kill -9 of the daemon under load on a real Cassandra, 300 times
	$(prepare) test
	$(python) -m tests.cassandra_faults kill --cycles 300

failures:         ## what is too long for the suite: a line that swallows octets, 10,000 wrong secrets (docs/reliability.rst)
	$(prepare) test
	$(python) -m tests.failures

fleet:            ## 1,000 simulated devices and 50 over P24 report for ten minutes while things go wrong; a count from outside
	$(prepare) test
	$(python) -m tests.fleet_run --devices 1000 --seconds 600

storm:            ## a power cut over 10,000 devices: all log in at once, and those that stayed must not notice
	$(prepare) test
	$(python) -m tests.storm_run --devices 10000

fuzz:             ## the property tests, each with thousands of random examples instead of a few fixed ones
	$(prepare) test
	SMOK_HYPOTHESIS=wander $(python) -m twisted.trial -j2 $$(grep -l "^from hypothesis" tests/test_*.py)

mutants:          ## change the code in many small ways (MODULE: one module); fails when no test notices
	$(prepare) test
	nice $(python) tools/mutants.py --jobs $(JOBS) $(MODULE)

bench:            ## our layers beside their references: one table, and the plots of docs/performance.rst
	$(prepare) test
	@$(python) -m bench --into $(PLOTS)

docs:             ## the documentation, into docs/_build/html; any warning is an error
	$(prepare) docs cassandra
	$(python) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(python) -m towncrier build --draft

diagrams:         ## draw the login's machines again, from the code (needs graphviz)
	$(prepare)
	$(python) tools/draw_machines.py

clean:            ## remove everything that was made here; data stay
	rm -rf .venv build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis docs/_build docs/api
	find smok_twisted twisted tests tools docs -name __pycache__ -prune -exec rm -rf {} +
	rm -f smok_twisted/cipher/_rabbit*.so twisted/plugins/dropin.cache

.PHONY: help run test lint types coverage coverage-report cassandra cassandra-down soak soak-cassandra failures differential fleet storm \
	fuzz mutants bench docs diagrams clean
