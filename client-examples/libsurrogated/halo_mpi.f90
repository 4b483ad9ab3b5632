! SPDX-License-Identifier: Apache-2.0
! The bar is cut into as many parts as there are processes, and each knows its neighbours' last cells.
module halo
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  include "mpif.h" ! the module `mpi` is not where Debian's pkg-config looks

contains

  subroutine halo_begin()
    integer :: status
    call MPI_Init(status)
  end subroutine halo_begin

  subroutine halo_end()
    integer :: status
    call MPI_Finalize(status)
  end subroutine halo_end

  ! All processes end, whatever they wait for.
  subroutine halo_stop(status)
    integer, intent(in) :: status
    integer :: ignored
    call MPI_Abort(MPI_COMM_WORLD, status, ignored)
  end subroutine halo_stop

  integer function halo_rank()
    integer :: status
    call MPI_Comm_rank(MPI_COMM_WORLD, halo_rank, status)
  end function halo_rank

  integer function halo_size()
    integer :: status
    call MPI_Comm_size(MPI_COMM_WORLD, halo_size, status)
  end function halo_size

  ! The ends of the bar are at temperature 0.
  subroutine halo_exchange(padded)
    real(real64), intent(inout) :: padded(0:)
    integer :: left, right, last, status
    integer :: of_message(MPI_STATUS_SIZE)
    last = ubound(padded, 1)
    left = merge(halo_rank() - 1, MPI_PROC_NULL, halo_rank() > 0)
    right = merge(halo_rank() + 1, MPI_PROC_NULL, halo_rank() + 1 < halo_size())
    padded(0) = 0.0_real64
    padded(last) = 0.0_real64
    call MPI_Sendrecv(padded(1), 1, MPI_DOUBLE_PRECISION, left, 0, padded(last), 1, &
                      MPI_DOUBLE_PRECISION, right, 0, MPI_COMM_WORLD, of_message, status)
    call MPI_Sendrecv(padded(last - 1), 1, MPI_DOUBLE_PRECISION, right, 1, padded(0), 1, &
                      MPI_DOUBLE_PRECISION, left, 1, MPI_COMM_WORLD, of_message, status)
  end subroutine halo_exchange

  real(real64) function halo_sum(value)
    real(real64), intent(in) :: value
    integer :: status
    call MPI_Allreduce(value, halo_sum, 1, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, status)
  end function halo_sum

  real(real64) function halo_max(value)
    real(real64), intent(in) :: value
    integer :: status
    call MPI_Allreduce(value, halo_max, 1, MPI_DOUBLE_PRECISION, MPI_MAX, MPI_COMM_WORLD, status)
  end function halo_max

end module halo
