# potluck's two commands are `make demo` and `make test`; each does its own set-up.

export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/potluck/target

.PHONY: help demo test campaign build release deb install plugins images bench clean

help: ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## Deploy WordPress, back it up, lose it and bring it back, on this machine.
	@scripts/demo.sh

test: ## Run every check and every test.
	@scripts/test.sh

campaign: ## Run what is too long for `make test`: make campaign NAME.
	@scripts/campaign.sh $(filter-out campaign,$(MAKECMDGOALS))

# The names after `campaign` are no targets of their own.
ifeq (campaign,$(firstword $(MAKECMDGOALS)))
.PHONY: $(filter-out campaign,$(MAKECMDGOALS))
$(eval $(filter-out campaign,$(MAKECMDGOALS)):;@:)
endif

build: plugins ## Build potluck for development.
	@scripts/own-builds.sh
	cargo build

release: plugins ## Build potluck as it is shipped.
	@scripts/own-builds.sh
	cargo build --release

deb: ## Make a Debian package of potluck in dist/.
	@scripts/deb.sh

install: plugins ## Build and install potluck in ~/.cargo/bin.
	@scripts/own-builds.sh
	@echo "building potluck as it is shipped: on two cores the first time takes 10 to 20 minutes" >&2
	cargo install --path . --locked

plugins: ## Build the WebAssembly plugins; the standard ones become part of potluck.
	plugins/build.sh

images: ## Build the test images from Debian packages.
	tests/images/build.sh busybox docker-socket-proxy helper isso jekyll lemonldap-ng mariadb matomo mediawiki nginx oidc-provider peers pebble pelican pgadmin postfix sign-on standin stores synapse traefik wordpress

bench: ## Measure potluck against docker and restic (release build; takes a while).
	@benches/run.sh

clean: ## Remove build results; caches outside the checkout stay.
	cargo clean
