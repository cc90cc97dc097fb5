#!/usr/bin/env bash
# Photos cleaned by an array of jobs, each its share; given again, it goes on where it stopped:
#
#     sbatch --array 0-7 slurm-photos.sh photos/ clean/
#
# Adapt the partition and the environment.
#SBATCH --job-name=denoise-photos
#SBATCH --array=0-7
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=02:00:00
#SBATCH --requeue
set -euo pipefail

# The share follows from SLURM_ARRAY_TASK_ID and its kin; SIGTERM ends it with nothing half-written.
exec denoise denoise-image "$1" --recursive --output "$2" --skip-existing
