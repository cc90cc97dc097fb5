#!/usr/bin/env bash
# Training on one or several machines with GPUs; preempted or out of time, it goes on where it was:
#
#     sbatch --nodes 2 slurm-train.sh unet --dataset stl10 --output runs/unet
#
# --output is needed: the requeued job looks there for the run. Adapt the partition and the environment.
#SBATCH --job-name=denoise-train
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# Two minutes before the end the program gets SIGTERM, saves, and ends with 143.
#SBATCH --signal=B:TERM@120
set -euo pipefail

output=""
for ((i = 1; i < $#; i++)); do
  case "${!i}" in -o | --output | --out) next=$((i + 1)) && output="${!next}" ;; esac
done
[ -n "$output" ] || { echo "Name the run's folder: --output FOLDER" >&2; exit 2; }
arguments=("$@")
[ -f "$output/config.yaml" ] && arguments=(--resume "$output")

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun --kill-on-bad-exit=1 torchrun \
  --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "${GPUS:-4}" --rdzv-id "$SLURM_JOB_ID" \
  --rdzv-backend c10d --rdzv-endpoint "$first:29500" \
  -m denoise_cli train "${arguments[@]}" &
steps=$!
stopped=0
trap 'stopped=1; kill -TERM "$steps"' TERM
code=0
wait "$steps" || code=$?
if ((stopped)); then
  wait "$steps" || true
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$code"
