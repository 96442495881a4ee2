# Before `azd package`: build the deployment package, and unpack it where azure.yaml says (dist).
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
Set-Location "$PSScriptRoot/../.."
$python = if ($env:TIDEGATE_PYTHON) { $env:TIDEGATE_PYTHON } else { '3.12' }
make package "PYTHON=$python"
Remove-Item dist/package -Recurse -Force -ErrorAction Ignore
Expand-Archive "dist/tidegate-python$python.zip" dist/package
# azd leaves out bytecode, unless the folder has an ignore file of its own.
New-Item dist/package/.funcignore -Type File -Force | Out-Null
