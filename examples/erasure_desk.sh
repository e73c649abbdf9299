#!/usr/bin/env bash
# The story of an erasure desk, on the film ratings that come along. In an empty folder; some minutes on two cores, most of them
# for the three models that `verify` retrains. Options for `ifru train` may be given, such as --epochs 5.
set -euo pipefail
command -v ifru > /dev/null || ifru() { "${PYTHON:-python3}" -m ifru_jax "$@"; }
# Runs a command that has to end with this status.
ends_with() { local status=0; "${@:2}" || status=$?; test "$status" = "$1"; }

ifru key shop.key
ifru train movielens-small --store shop --key shop.key --grace 30d "$@"
export IFRU_KEY=shop.key
ifru recommend shop --user 42 -k 3
ifru preview shop --user 42
ifru forget shop --user 42

# The list is empty now, the record tells that it was done, and a second request is answered so.
ifru recommend shop --user 42 -k 3
ifru erased shop --user 42
ifru forget shop --user 42

# It was a mistake, until the grace period is over.
ifru undo shop
ends_with 1 ifru erased shop --user 42

# A batch from a file; two are not in the data. Then a label that was wrong.
printf 'user\n42\n99\n100\n7777\n8888\n' > erase.csv
ends_with 3 ifru forget shop --file erase.csv --missing report
printf 'user,item,new_label\n15,371,1\n' > right.csv
ifru correct shop --file right.csv
ifru undo shop

# At once on the rows concerned, and right later.
ifru forget shop --user 15 --quick
ifru settle shop

# Compared with models that never saw them. Of so few people it can seldom be told; that is said, too.
status=0; ifru verify shop --seeds 2 || status=$?; test "$status" != 2
ifru end-grace shop

# Nobody of them is in the store any more, neither by id nor by their row of numbers.
printf 'user\n42\n99\n100\n15\n' > gone.csv
ends_with 0 ifru scan shop --ids gone.csv
ifru compact shop
ifru export shop --to served.npz
ends_with 0 ifru scan served.npz --ids gone.csv

ifru history shop
ifru report shop --to report.html
ifru verify-record shop
