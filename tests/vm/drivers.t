#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Drivers that subscribe, loaded without their hardware: each callback of the table
# that their modules have is resolved and attached, by each rung, and what is missing
# says why. Runs where a kernel with them is built, on request: it takes half an hour,
#
#	scripts/kernel-build.sh --line LINE --variant patched --config drivers
#
# or on the folder of another kernel with modules that DRIVERS_KERNEL names.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=${DRIVERS_KERNEL:-$("$ROOT/scripts/kernel-build.sh" --line "$LINE" --variant patched \
	--config drivers --print-dir 2> /dev/null)} ||
	skip_all "not built: scripts/kernel-build.sh --line $LINE --variant patched --config drivers"
make -s -C "$ROOT" build/synthetic > "$tmp/make" 2>&1 || { cat "$tmp/make" >&2; exit 1; }

# FUNCTION MODULE LINES [OPTION]: what the table has of drivers that load on x86-64, and
# the lines and the option of the configuration that they are in.
callbacks='
nouveau_svmm_invalidate_range_start	nouveau	all	CONFIG_DRM_NOUVEAU_SVM
nouveau_svm_range_invalidate		nouveau	all	CONFIG_DRM_NOUVEAU_SVM
svm_range_cpu_invalidate_pagetables	amdgpu	all	CONFIG_HSA_AMD_SVM
amdgpu_mn_invalidate_gfx		amdgpu	6.1
amdgpu_mn_invalidate_hsa		amdgpu	6.1
amdgpu_hmm_invalidate_gfx		amdgpu	7.2
amdgpu_hmm_invalidate_hsa		amdgpu	7.2
radeon_mn_invalidate			radeon	all
i915_gem_userptr_invalidate		i915	all
userptr_mn_invalidate_range_start	i915	none
vma_userptr_invalidate			xe	none
xe_vma_userptr_invalidate_start		xe	7.2
drm_gpusvm_notifier_invalidate		drm_gpusvm_helper	7.2
mlx5_ib_invalidate_range		mlx5_ib	all
rxe_ib_invalidate_range			rdma_rxe	7.2
mmu_notifier_range_start		hfi1	all
tid_rb_invalidate			hfi1	all
tid_cover_invalidate			hfi1	all
amdxdna_hmm_invalidate			amdxdna	7.2
'
# What stands beside a callback, by kprobe as long as the module is idle.
beside='
nvif_object_mthd			nouveau	all	CONFIG_DRM_NOUVEAU_SVM
radeon_ttm_placement_from_domain	radeon	all
xe_vma_userptr_invalidate_finish	xe	7.2
hfi1_put_tid				hfi1	all
gp100_vmm_pgt_pfn			nouveau	all
gp100_vmm_pd0_pfn			nouveau	all
'
loaded=() options=()
for module in nouveau amdgpu radeon i915 xe mlx5_ib hfi1 rdma_rxe amdxdna; do
	[ -e "$kernel/modules/$module.ko" ] || continue
	loaded+=("$module")
	options+=(--module "$module")
done
[ ! -e "$kernel/modules/drm_gpusvm_helper.ko" ] || loaded+=(drm_gpusvm_helper)
[ -e "$kernel/modules/test_hmm.ko" ] || options+=(--no-test-hmm)

is_in() { # MODULE LINES [OPTION]
	[[ " ${loaded[*]} " = *" $1 "* ]] || return 1
	[ "$2" = all ] || [ "$2" = "$LINE" ] || return 1
	[ -z "${3-}" ] || grep -qx "$3=y" "$kernel/config"
}
# expected RUNG: "FUNCTION RUNG" of all that is seen. fentry pins a module, so that
# --via is needed, but for drm_gpusvm, which xe uses.
expected() {
	local symbol module lines option rung

	while read -r symbol module lines option; do
		[ -n "$symbol" ] && is_in "$module" "$lines" "$option" || continue
		rung=$1
		[ "$rung" != auto ] || rung=kprobe
		[ "$1 $module" != "auto drm_gpusvm_helper" ] || rung=fentry
		echo "$symbol $rung"
	done <<< "$callbacks"
	while read -r symbol module lines option; do
		[ -n "$symbol" ] && is_in "$module" "$lines" "$option" || continue
		rung=kprobe
		# What pins nouveau is there before these, and then nothing is idle.
		[[ "$1 $symbol" != "fentry gp100_"* ]] ||
			! is_in nouveau all CONFIG_DRM_NOUVEAU_SVM || rung=fentry
		echo "$symbol $rung"
	done <<< "$beside"
}
missing() { # the callbacks of modules that are loaded and do not have them
	local symbol module lines option

	while read -r symbol module lines option; do
		[ -n "$symbol" ] && [[ " ${loaded[*]} " = *" $module "* ]] || continue
		is_in "$module" "$lines" "$option" || echo "$symbol"
	done <<< "$callbacks"
}
# Of the modules that are loaded for this test.
mine='($loaded | split(" ")) as $l | .targets[] | select(.module as $m | $l | index([$m]))'
targets() { # FILE FILTER
	jq -r --arg loaded "${loaded[*]}" "$mine | $2" "$1" | sort
}

run "$ROOT/scripts/vm-run.sh" --mem 2048 --timeout 1200 "${options[@]}" --add "$ROOT/build/synthetic" \
	--copy-out "/tmp/out:$tmp/out" "$kernel" -- sh -c "$guest_lib"'
for via in auto fentry kprobe registry; do
	option="--via $via"
	[ $via != auto ] || option=
	status $via mmuscope probes $option --json
done
status table mmuscope probes
status stat mmuscope stat -d 1 -j -o stat.json
status text mmuscope stat -d 1
status synthetic /root/synthetic modules
status subscribers mmuscope subscribers --json'
is "the guest ran to the end" "$status" 0
[ "$status" = 0 ] || comment <<< "$err"

for via in auto fentry kprobe registry; do
	is "$via: exit status, nothing said" "$(cat "$tmp/out/$via".{status,stderr})" 0
	is "$via: every target of the table that is loaded is attached, and how" \
		"$(targets "$tmp/out/$via.stdout" 'select(.source) | "\(.symbol) \(.source)"')" \
		"$(expected $via | sort)"
	is "$via: the callbacks that are not seen" "$(targets "$tmp/out/$via.stdout" \
		'select(.metric == "callbacks" and .source == null) | .symbol')" "$(missing | sort)"
	is "$via: they are not in this kernel, and who has them is said" "$(targets "$tmp/out/$via.stdout" \
		'select(.metric == "callbacks" and .source == null) | .reason' |
		grep -vE '^not in this kernel: (Linux|with CONFIG_)')" ""
done
like "the table says what is known and not loaded" "$(cat "$tmp/out/table.stdout")" \
	'Known and not loaded: .*nvidia_uvm'
is "stat: exit status, nothing said" "$(cat "$tmp/out"/{stat,text}.{status,stderr} | paste -sd' ')" "0 0"
sound "stat" "$tmp/out/stat.json"
json "stat: nouveau writes nothing, and that is a number" "$tmp/out/stat.json" \
	'.page_table_writes == {entries: 0, invalid: 0}'
like "and a line" "$(cat "$tmp/out/text.stdout")" \
	'Page-table writes of nouveau, of all processes: 0 entries asked for, 0 without a page'
json "stat: of what is not in this kernel nothing is said" "$tmp/out/stat.json" \
	'all(.unobservable[]; .metric | startswith("callbacks.") and . != "callbacks.latency_ns" | not)'
is "synthetic: exit status, nothing said" "$(cat "$tmp/out"/synthetic.{status,stderr})" 0
is "synthetic: by these modules' BTF the numbers are the same" \
	"$(grep -v ': not here$' "$tmp/out/synthetic.stdout" | grep -v '^inner' |
		grep -vxFf "$VM/synthetic.expected")" ""
want='inner of drm_gpusvm: not here'
! is_in drm_gpusvm_helper 7.2 || want='inner of drm_gpusvm: 23 right, 0 of others'
is "synthetic: the driver behind drm_gpusvm is found" \
	"$(grep '^inner' "$tmp/out/synthetic.stdout")" "$want"
ways=$(grep -c '^owner [a-z].*: 23 right' "$tmp/out/synthetic.stdout")
# nouveau's first is in every build of it; all the others want the options, or xe.
want=2
! is_in amdgpu all CONFIG_HSA_AMD_SVM || want=$((want + 1))
! is_in nouveau all CONFIG_DRM_NOUVEAU_SVM || want=$((want + 1))
! is_in xe 7.2 || want=$((want + 2))
[ ! -e "$kernel/modules/test_hmm.ko" ] || want=$((want + 2))
is "synthetic: so many owners are read" "$ways" $want
is "subscribers: exit status, nothing said" "$(cat "$tmp/out"/subscribers.{status,stderr})" 0
done_testing
