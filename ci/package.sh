#!/usr/bin/env bash
# The package is whole: it builds by itself, and what its pages link to or show by a relative path is in it.
set -euo pipefail
cd "$(dirname "$0")/.."

files=$(cargo package --quiet --list --allow-dirty)
links=0 broken=0
for page in $(grep '\.md$' <<<"$files"); do
    # The address of `[text](address)`, without the part of the page and the title. With a scheme or as a path in the
    # documentation (`crate::Lender`) it is not relative.
    for link in $(grep -oE '\]\([^) ]+' "$page" | sed 's/^](//; s/#.*//' | grep -v : || true); do
        links=$((links + 1))
        path=$(realpath -ms --relative-to=. "$(dirname "$page")/$link")
        if ! grep -qxF "$path" <<<"$files"; then
            echo "package: $page refers to $link, which is not in the package"
            broken=1
        fi
    done
done
[ $broken -eq 0 ] || exit 1

# Unpacked and built.
ci/quietly "package of $(wc -l <<<"$files") files, relative links: $links" cargo package --quiet --allow-dirty --all-features
